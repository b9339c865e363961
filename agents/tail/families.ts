// Names that rotators give: `app.log` becomes app.log.1, app.log-20261122, app.log.old, app-2026-11-22.log, and any of these with .gz or .zst behind
// it. All of them are of one family. Names only say where to look first; who is who is decided by bytes.
import { basename, dirname } from 'node:path';

const packedEnding = /\.(?:gz|zst|zstd|bz2|xz|lz4|Z)$/;
const ending = /(?:[._-](?:\d[\dTZ:+._-]*|old|prev|bak|backup|save|rotated))+$/i;
/** A date before the last ending. Less than a date is more likely the number of a worker. */
const dateBeforeEnding = /[._-](?:\d{4}[._-]?\d{2}[._-]?\d{2}|\d{2}-\d{2}-\d{4})[\dTZ:+._-]*(?=\.[^.]*$)/;
/** A date before the name, as rotating-file-stream writes it: 20261122-1530-01-app.log. */
const dateBeforeName = /^\d{4}[._-]?\d{2}[._-]?\d{2}[\dTZ:+._-]*[._-](?=[A-Za-z])/;
/** The log itself is the first of its generations: java.util.logging writes app.log.0 and moves it to app.log.1. */
const generationZero = /\.(?:log|txt|out|err)\.0$/;
/** An index before the last ending, as logback's fixed window and log4j's `nomax` write it: app-1.log. Text files of such names may be the logs of workers. */
const indexBeforeEnding = /[._-]\d+(?=\.[^.]*$)/;
/** What the loggers of daemontools, runit and s6 make of `current`: a TAI64N label, and how it ended. */
const tai64nLabel = /^@[0-9a-f]{24}\.[a-z]$/;

/** The name before any rotation. */
export function familyName(name: string): string {
  if (tai64nLabel.test(name)) return 'current';
  const stripped = name.replace(packedEnding, '').replace(ending, '').replace(dateBeforeEnding, '');
  const bare = stripped.replace(dateBeforeName, '');
  return bare === '' ? name : bare;
}

/** Folder and family: the same for a log and everything that a rotator makes of it there. */
export function familyOf(path: string): string {
  return `${dirname(path)}/${familyName(basename(path))}`;
}

/** Whether programs write to a file of this name, not only rotators. */
export function isLogName(name: string): boolean {
  return familyName(name) === name || generationZero.test(name);
}

/** Whether a rotator may have given its name to the file. */
export function hasRotatedName(path: string): boolean {
  return familyName(basename(path)) !== basename(path);
}

/** Whether `name` is what a rotator would call `base` when it puts it aside; copies that people make (.bak, .save) are not meant. */
export function isRotatedName(base: string, name: string): boolean {
  const isAkin = familyName(base) === familyName(name);
  return name !== base && isLogName(base) && isAkin && !/[._-](?:bak|backup|save)\b/i.test(name);
}

/** What `name` is without an index before its ending, and unpacked; undefined when it has none. */
export function withoutIndex(name: string): string | undefined {
  const unpacked = name.replace(packedEnding, '');
  const bare = unpacked.replace(indexBeforeEnding, '');
  return bare === unpacked ? undefined : bare;
}

/** What the log may be called that a rotator made the file of. An index before the ending may be that of a worker, but for archives. */
function namesBefore(path: string): (string | undefined)[] {
  const name = basename(path);
  return [familyName(name), isPackedName(name) ? withoutIndex(name) : undefined];
}

/** Whether a rotator may have made the file of one of these, by their names alone. */
export function isAkin(path: string, others: readonly string[]): boolean {
  const names = namesBefore(path);
  return others.some((other) => names.includes(familyName(basename(other))));
}

/** As isAkin, but only in the folder of the other one, or in one below or above it. */
export function isAkinNearby(path: string, others: readonly string[]): boolean {
  const holds = (folder: string, below: string) => folder === below || below.startsWith(`${folder}/`);
  const home = dirname(path);
  const isNear = (other: string) => holds(home, dirname(other)) || holds(dirname(other), home);
  return isAkin(path, others.filter(isNear));
}

/** Whether the name says that the file is packed. */
export function isPackedName(path: string): boolean {
  return packedEnding.test(path);
}

/** Whether programs that unpack `packed` call what comes out as `path` is called. */
export function isUnpackedName(path: string, packed: string): boolean {
  return basename(path) === basename(packed).replace(packedEnding, '');
}
