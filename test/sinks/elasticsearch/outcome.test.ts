import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verdictOfAnswer, verdictOfItem } from '../../../sinks/elasticsearch/outcome.ts';

function error(type: string, reason = 'x', cause?: string) {
  return { type, reason, ...(cause === undefined ? {} : { caused_by: { type: 'y', reason: cause } }) };
}

describe('an item', () => {
  it.each([
    [201, undefined, 'stored'],
    [200, undefined, 'stored'],
    [409, error('version_conflict_engine_exception'), 'already-there'],
    [400, error('document_parsing_exception'), 'refused'],
    [400, error('mapper_parsing_exception'), 'refused'],
    [400, error('strict_dynamic_mapping_exception'), 'refused'],
    [400, error('illegal_argument_exception', 'Limit of total fields [1000] has been exceeded'), 'refused'],
    [413, error('', 'too large'), 'refused'],
    [429, error('es_rejected_execution_exception'), 'retry'],
    [429, error('circuit_breaking_exception'), 'retry'],
    [500, error('exception'), 'retry'],
    [503, error('node_closed_exception'), 'retry'],
    [503, error('unavailable_shards_exception'), 'retry'],
    [
      429,
      error('cluster_block_exception', 'blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage]'),
      'blocked',
    ],
    [403, error('cluster_block_exception', 'blocked by: [FORBIDDEN/8/index write (api)]'), 'blocked'],
    [403, error('security_exception'), 'blocked'],
    [404, error('index_not_found_exception'), 'blocked'],
    [400, error('index_closed_exception'), 'blocked'],
    [
      400,
      error(
        'validation_exception',
        'Validation Failed: 1: this action would add [2] shards, but this cluster currently has [1000]/[1000]',
      ),
      'blocked',
    ],
    [400, error('illegal_argument_exception', 'pipeline with id [geo] does not exist'), 'blocked'],
    [400, error('illegal_argument_exception', 'no write index is defined for alias [logs]'), 'blocked'],
    [
      400,
      error('illegal_argument_exception', 'only write ops with an op_type of create are allowed in data streams'),
      'misfit',
    ],
  ])('with status %i, %j is %s', (status, problem, kind) => {
    expect(verdictOfItem(status, problem, 'create').kind).toBe(kind);
  });

  it('cannot block the edge with the words of its document', () => {
    const value = "failed to parse; preview of value: 'pipeline with id [x] does not exist, no write index is defined'";
    expect(verdictOfItem(400, error('document_parsing_exception', value), 'create').kind).toBe('refused');
    expect(verdictOfItem(400, error('illegal_argument_exception', value), 'create').kind).toBe('refused');
  });

  it('is refused with the reasons of the store', () => {
    const problem = error('document_parsing_exception', 'failed to parse field [a]', 'For input string: "b"');
    const reason = 'document_parsing_exception: failed to parse field [a]: For input string: "b"';
    expect(verdictOfItem(400, problem, 'create')).toEqual({ kind: 'refused', reason });
    expect(verdictOfItem(400, 'plain text', 'create')).toEqual({ kind: 'refused', reason: 'plain text' });
    expect(verdictOfItem(400, undefined, 'create')).toEqual({ kind: 'refused', reason: 'status 400' });
    expect(verdictOfItem(400, error('t', 'z'.repeat(5000)), 'create')).toMatchObject({
      reason: `t: ${'z'.repeat(597)}…`,
    });
    expect(verdictOfItem(409, error('version_conflict_engine_exception'), 'index').kind).toBe('refused');
  });
});

describe('an answer', () => {
  const ok = { create: { status: 201 } };

  it('is about its items only when it has all of them', () => {
    expect(verdictOfAnswer(200, { errors: false, items: [ok, ok] }, 2, 'create')).toEqual({ kind: 'all-stored' });
    const mixed = { errors: true, items: [ok, { create: { status: 429, error: error('a', 'b') } }] };
    expect(verdictOfAnswer(200, mixed, 2, 'create')).toEqual({
      kind: 'items',
      items: [{ kind: 'stored' }, { kind: 'retry', reason: 'a: b' }],
    });
    expect(verdictOfAnswer(200, { errors: false, items: [ok] }, 2, 'create')).toEqual({
      kind: 'retry',
      reason: 'the answer to a bulk had 1 of 2 items',
    });
    for (const body of [undefined, null, '<html>', [], {}, { errors: false }, { items: {} }])
      expect(verdictOfAnswer(200, body, 1, 'create').kind).toBe('retry');
    const page = `<!DOCTYPE html>\n<html><title>Sign in</title>${'x'.repeat(500)}`;
    expect(verdictOfAnswer(200, page, 1, 'create')).toEqual({
      kind: 'retry',
      reason: expect.stringMatching(
        /^the answer to a bulk was a web page, as of a proxy or a log-in: "<!DOCTYPE html> <html><title>Sign in.{70,90}…"$/,
      ) as string,
    });
    expect(verdictOfAnswer(200, 'hello', 1, 'create')).toMatchObject({
      reason: 'the answer to a bulk was no JSON: "hello"',
    });
    expect(verdictOfAnswer(502, '<html>Bad Gateway', 1, 'create')).toEqual({
      kind: 'retry',
      reason: 'status 502, a web page, as of a proxy or a log-in: "<html>Bad Gateway"',
    });
    expect(verdictOfAnswer(200, { errors: true, items: [null] }, 1, 'create')).toMatchObject({
      items: [{ kind: 'retry' }],
    });
  });

  it.each([
    [413, '', 'split'],
    [429, { error: error('es_rejected_execution_exception') }, 'retry'],
    [408, '', 'retry'],
    [502, '<html>', 'retry'],
    [503, { error: error('cluster_block_exception', 'state not recovered') }, 'retry'],
    [301, '', 'retry'],
    [401, { error: error('security_exception') }, 'blocked'],
    [403, '', 'blocked'],
    [404, '', 'blocked'],
    [400, { error: error('media_type_header_exception') }, 'blocked'],
    [406, { error: 'Content-Type header is not supported' }, 'blocked'],
  ])('with status %i, %j is %s', (status, body, kind) => {
    expect(verdictOfAnswer(status, body, 1, 'create').kind).toBe(kind);
  });

  it('never lets a record go without an outcome, whatever it is', () => {
    fc.assert(
      fc.property(fc.nat(600), fc.anything(), fc.nat(3), (status, body, count) => {
        const verdict = verdictOfAnswer(status, body, count, 'create');
        if (verdict.kind === 'items') expect(verdict.items).toHaveLength(count);
        if (verdict.kind === 'all-stored' || verdict.kind === 'items') expect(status).toBe(200);
      }),
    );
    const item = fc.record({ status: fc.nat(600), error: fc.option(fc.object(), { nil: undefined }) });
    fc.assert(
      fc.property(item, ({ status, error }) => {
        const { kind } = verdictOfItem(status, error, 'create');
        expect(kind === 'stored').toBe(status >= 200 && status < 300 && error === undefined);
        if (kind === 'refused') expect(status >= 400 && status < 500).toBe(true);
      }),
    );
  });
});
