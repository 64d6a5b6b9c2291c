/** An error that the user can fix; only its message, one sentence, is shown. */
export class UsageError extends Error {}
