/** Why the internal API refuses a request, and its response. */
export const REFUSALS = {
  path: { status: 403, detail: 'The path must not hold "..", a percent sign or a backslash.' },
  no_key: { status: 401, detail: 'An API key is needed, as "Authorization: Bearer …".' },
  wrong_key: { status: 401, detail: 'The API key is not valid.' },
  read_only_key: { status: 403, detail: 'This API key may only read.' },
  no_token: { status: 401, detail: 'The X-Grafana-Id token is missing.' },
  wrong_token: { status: 401, detail: 'The X-Grafana-Id token is not valid.' },
  old_token: { status: 401, detail: 'The X-Grafana-Id token is too old.' },
  wrong_audience: { status: 401, detail: 'The X-Grafana-Id token is for somebody else.' },
  not_a_user: { status: 401, detail: 'The X-Grafana-Id token is not that of a user.' },
  role: { status: 403, detail: 'Only a user with the role Admin may do this.' },
  no_signing_keys: { status: 503, detail: 'The signing keys of Grafana cannot be read right now.' },
} as const satisfies Record<string, { status: 401 | 403 | 503; detail: string }>

export type RefusalReason = keyof typeof REFUSALS
export const REFUSAL_REASONS = Object.keys(REFUSALS) as RefusalReason[]
