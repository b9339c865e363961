// Reasons without what differs from record to record and from attempt to attempt: for grouping dead letters, and for telling a new problem from an old one.

const maxCharacters = 300;

/** Quoted text, numbers, times, addresses and ids are left out. */
export function normaliseReason(reason: string): string {
  return reason
    .replace(/"(?:[^"\\]|\\.)*"/g, '"…"')
    .replace(/(?<![\p{L}\p{N}])'[^']*'(?![\p{L}\p{N}])/gu, "'…'")
    .replace(/`[^`]*`/g, '`…`')
    .replace(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/gi, '#')
    .replace(/\d+(?:[.:-]\d+)*/g, '#')
    .slice(0, maxCharacters);
}
