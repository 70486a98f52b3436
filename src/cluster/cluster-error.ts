// The one error of this room.

/** A cluster cannot be had as asked; the message is one line: what, where, what to do. */
export class ClusterError extends Error {}
