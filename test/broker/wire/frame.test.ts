// Frames: headers of both generations, the exceptions of ApiVersions, and leftovers.
import { describe, expect, it } from 'vitest';
import { apis } from '../../../broker/wire/apis.ts';
import {
  correlationIdOf,
  decodeRequestBody,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../broker/wire/frame.ts';

/** A frame without its size, which must be right. */
function unsized(chunks: Buffer[]): Buffer {
  const whole = Buffer.concat(chunks);
  expect(whole.readInt32BE(0)).toBe(whole.length - 4);
  return whole.subarray(4);
}

describe('requests', () => {
  it.each([0, 8, 9, 13])('carry header and body, Metadata version %i', (version) => {
    const body = apis.Metadata.request.create({ topics: [{ name: 'app' }] });
    const frame = unsized(encodeRequest('Metadata', version, 77, 'größe', body));
    const { header, isReadable, reader } = decodeRequestHeader(frame);
    expect(header).toEqual({ apiKey: 3, api: 'Metadata', version, correlationId: 77, clientId: 'größe' });
    expect(isReadable).toBe(true);
    expect(decodeRequestBody('Metadata', version, reader)).toEqual(body);
  });

  it('keep the client id in the old encoding even in header version 2', () => {
    const frame = unsized(encodeRequest('ApiVersions', 3, 1, 'me', apis.ApiVersions.request.create()));
    expect(frame.toString('hex')).toBe('0012' + '0003' + '00000001' + '00026d65' + '00' + '01' + '01' + '00');
  });

  it('take a null client id for an empty one', () => {
    const frame = unsized(encodeRequest('Heartbeat', 0, 1, null, apis.Heartbeat.request.create()));
    expect(decodeRequestHeader(frame).header.clientId).toBe('');
  });

  it('give the header of what cannot be read', () => {
    const future = Buffer.from('0012' + '0063' + '00000005' + '0001' + '78' + 'ffffff', 'hex');
    expect(decodeRequestHeader(future)).toMatchObject({
      isReadable: false,
      header: { api: 'ApiVersions', version: 99, correlationId: 5, clientId: 'x' },
    });
    const unknown = Buffer.from('7777' + '0000' + '00000006' + 'ffff', 'hex');
    expect(decodeRequestHeader(unknown)).toMatchObject({ isReadable: false, header: { api: undefined } });
  });

  it('are refused when cut short; bytes behind the body are ignored', () => {
    const frame = unsized(encodeRequest('Heartbeat', 4, 1, 'c', apis.Heartbeat.request.create({ groupId: 'g' })));
    for (let length = 0; length < frame.length; length++) {
      expect(() => {
        const { reader } = decodeRequestHeader(frame.subarray(0, length));
        decodeRequestBody('Heartbeat', 4, reader);
      }).toThrow(/Malformed/);
    }
    const { reader } = decodeRequestHeader(Buffer.concat([frame, Buffer.alloc(1)]));
    expect(decodeRequestBody('Heartbeat', 4, reader)).toMatchObject({ groupId: 'g' });
  });

  it('link record batches without copying them', () => {
    const records = Buffer.alloc(5000, 1);
    const body = apis.Produce.request.create({ topicData: [{ name: 'app', partitionData: [{ index: 0, records }] }] });
    const chunks = encodeRequest('Produce', 9, 1, 'c', body);
    expect(chunks).toContain(records);
    const { reader } = decodeRequestHeader(unsized(chunks));
    expect(decodeRequestBody('Produce', 9, reader)).toEqual(body);
  });
});

describe('responses', () => {
  it.each([3, 4])('carry correlation id and body, Heartbeat version %i', (version) => {
    const body = apis.Heartbeat.response.create({ errorCode: 27 });
    const frame = unsized(encodeResponse('Heartbeat', version, 9, body));
    expect(frame).toHaveLength(version === 3 ? 10 : 12);
    expect(correlationIdOf(frame)).toBe(9);
    expect(decodeResponse('Heartbeat', version, frame)).toEqual({ correlationId: 9, body });
  });

  it('of ApiVersions have the old header in every version', () => {
    const body = apis.ApiVersions.response.create({ apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 5 }] });
    const frame = unsized(encodeResponse('ApiVersions', 3, 1, body));
    expect(frame.toString('hex')).toBe(
      '00000001' + '0000' + '02' + '0012' + '0000' + '0005' + '00' + '00000000' + '00',
    );
    expect(decodeResponse('ApiVersions', 3, frame).body).toEqual(body);
  });

  it('to an ApiVersions request of an unknown version are read in version 0', () => {
    const body = apis.ApiVersions.response.create({
      errorCode: 35,
      apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 3 }],
    });
    const frame = unsized(encodeResponse('ApiVersions', 0, 1, body));
    expect(decodeResponse('ApiVersions', 5, frame).body).toEqual(body);
  });

  it('send the slices of the log one after the other', () => {
    const slices = [Buffer.alloc(2000, 1), Buffer.alloc(3000, 2)];
    const body = apis.Fetch.response.create({
      responses: [{ topic: 'app', partitions: [{ partitionIndex: 0, records: slices }, { partitionIndex: 1 }] }],
    });
    const chunks = encodeResponse('Fetch', 12, 1, body);
    expect(chunks).toEqual(expect.arrayContaining(slices));
    const read = decodeResponse('Fetch', 12, unsized(chunks)).body.responses[0]!.partitions;
    expect(Buffer.concat(read[0]!.records)).toEqual(Buffer.concat(slices));
    expect(read[1]!.records).toEqual([]);
  });
});
