/** A file for Grafana, generated from the files beside this one. */
export interface GeneratedFile {
  /** Below provisioning/grafana. */
  path: string
  text: string
}
