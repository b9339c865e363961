// Reads the text of an answer. Nearly every answer to a bulk says of thousands of items, one like the other, that they were created:
//
//   {"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}
//
// Such a text is compared with what it must be, which costs a hundredth of making objects of it; anything else is parsed.

/** An answer that says of all items that they were created. */
export class AllCreated {
  readonly count: number;

  constructor(count: number) {
    this.count = count;
  }
}

const begin = '{"errors":false,"items":[';
const end = ']}';
const items = { create: '{"create":{"status":201}}', index: '{"index":{"status":201}}' };
/** As many items as a bulk had so far at the most, rounded up: what is expected is the beginning of one of these. */
const expected = { create: begin, index: begin };
/** More items than a bulk may have. */
const mostItems = 131_072;

/** What JSON.parse makes of it; AllCreated where it says no more; undefined when it is not JSON. */
export function readAnswer(text: string): unknown {
  for (const operation of ['create', 'index'] as const) {
    const count = (text.length - begin.length - end.length + 1) / (items[operation].length + 1);
    if (!Number.isInteger(count) || count < 1 || count > mostItems || !text.endsWith(end)) continue;
    const beginning = text.length - end.length;
    if (text.slice(0, beginning) === expectedOf(operation, count).slice(0, beginning)) return new AllCreated(count);
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A text of `count` items or more. */
function expectedOf(operation: 'create' | 'index', count: number): string {
  const item = items[operation];
  if (expected[operation].length < begin.length + count * (item.length + 1)) {
    const each = Array.from({ length: 2 ** Math.ceil(Math.log2(count)) }, () => item);
    expected[operation] = `${begin}${each.join()},`;
  }
  return expected[operation];
}
