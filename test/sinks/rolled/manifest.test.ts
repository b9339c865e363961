// A name of a sink that was given to one of another type: its edge has a manifest that means nothing to it.
import { describe, expect, it } from 'vitest';
import { readManifest as readFileManifest } from '../../../sinks/file/publication.ts';
import { readManifest as readHdfsManifest } from '../../../sinks/hdfs/publication.ts';

const ofFile = { v: 1, sink: 'file', files: [{ temporary: '/a/.x', final: '/a/x', length: 3, checksum: 7 }] };
const ofHdfs = { v: 1, sink: 'hdfs', files: [{ temporary: '/a/.x', final: '/a/x', length: 3, checksum: 'MD5:00' }] };

describe('a manifest', () => {
  it.each([
    ['file', readFileManifest, ofFile, ofHdfs],
    ['hdfs', readHdfsManifest, ofHdfs, ofFile],
  ] as const)('of a sink of type %s is read by that type only', (type, read, own, foreign) => {
    expect(read(own)).toEqual(own);
    for (const files of [foreign.files, []]) {
      expect(() => read({ ...foreign, files })).toThrow(
        expect.objectContaining({
          code: 'TLR_CONFIG',
          message: expect.stringContaining(
            `of type ${foreign.sink} when this edge last wrote, and is ${type} now`,
          ) as string,
        }),
      );
    }
  });

  it('of a newer Tailrace is left alone', () => {
    expect(() => readFileManifest({ ...ofFile, v: 2 })).toThrow(expect.objectContaining({ code: 'TLR_DATA_VERSION' }));
  });
});
