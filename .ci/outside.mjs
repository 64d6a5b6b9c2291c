import { writeFileSync } from 'node:fs'

/** Writes to the file OUTSIDE how many errors came outside of any test, which Vitest's JSON reporter leaves out. */
export default class {
  onTestRunEnd(_, errors) {
    writeFileSync(process.env.OUTSIDE, String(errors.length))
  }
}
