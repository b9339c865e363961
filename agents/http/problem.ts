// What a client is told when its request is not taken: status, message, and where it helps a line number and when to come back.

export interface ProblemDetails {
  /** Line of the body, from 1. */
  line?: number;
  /** For `Retry-After`. */
  retryAfterSeconds?: number;
}

/** Thrown anywhere on the way of a request; agents/http/server.ts makes the answer of it. */
export class HttpProblem extends Error {
  readonly status: number;
  readonly details: ProblemDetails;

  constructor(status: number, message: string, details: ProblemDetails = {}) {
    super(message);
    this.name = 'HttpProblem';
    this.status = status;
    this.details = details;
  }
}

/** 503: nothing of the request was stored, and the same request may be sent again. */
export function unavailable(message: string): HttpProblem {
  return new HttpProblem(503, `${message}; nothing of this request was stored`, { retryAfterSeconds: 5 });
}
