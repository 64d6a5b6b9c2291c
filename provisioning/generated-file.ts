/** A file that Grafana reads, made from what is beside this one. */
export interface GeneratedFile {
  /** Below provisioning/grafana. */
  path: string
  text: string
}
