declare module 'amd-module' {
  /** What the loader tells the module that is being loaded. */
  const amd: { uri?: string } | undefined
  export default amd
}
