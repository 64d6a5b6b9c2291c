declare module 'amd-module' {
  /** What the loader says of the module that is being loaded. */
  const amd: { uri?: string } | undefined
  export default amd
}
