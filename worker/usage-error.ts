/** What somebody can mend: the message is one sentence, and all that is told. */
export class UsageError extends Error {}
