// API 18, ApiVersions: which APIs and versions the broker speaks. An unknown version is answered in version 0 with error 35.
// Versions 0 to 5, flexible from 3. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// ApiVersionsRequest => clientSoftwareName(3..) clientSoftwareVersion(3..) clusterId?(5..) nodeId(5..)
// ApiVersionsResponse => errorCode apiKeys[ apiKey minVersion maxVersion ] throttleTimeMs(1..)
//   supportedFeatures(3..)<tag 0>[ name minVersion maxVersion ] finalizedFeaturesEpoch(3..)<tag 1>
//   finalizedFeatures(3..)<tag 2>[ name maxVersionLevel minVersionLevel ] zkMigrationReady(3..)<tag 3>
import { array, boolean, type Infer, int16, int32, int64, message, string, struct } from '../schema.ts';

export const apiVersionsRequest = message({
  name: 'ApiVersionsRequest',
  key: 18,
  versions: [0, 5],
  flexible: 3,
  fields: {
    clientSoftwareName: string({ since: 3, ignorable: true }),
    clientSoftwareVersion: string({ since: 3, ignorable: true }),
    clusterId: string({ since: 5, nullable: 5, ignorable: true, default: null }),
    nodeId: int32({ since: 5, ignorable: true, default: -1 }),
  },
});
export type ApiVersionsRequest = Infer<typeof apiVersionsRequest>;

export const apiVersionsResponse = message({
  name: 'ApiVersionsResponse',
  key: 18,
  versions: [0, 5],
  flexible: 3,
  fields: {
    errorCode: int16(),
    apiKeys: array(struct({ apiKey: int16(), minVersion: int16(), maxVersion: int16() })),
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    supportedFeatures: array(struct({ name: string(), minVersion: int16(), maxVersion: int16() }), {
      since: 3,
      ignorable: true,
      tag: 0,
    }),
    finalizedFeaturesEpoch: int64({ since: 3, ignorable: true, tag: 1, default: -1 }),
    finalizedFeatures: array(struct({ name: string(), maxVersionLevel: int16(), minVersionLevel: int16() }), {
      since: 3,
      ignorable: true,
      tag: 2,
    }),
    zkMigrationReady: boolean({ since: 3, ignorable: true, tag: 3 }),
  },
});
export type ApiVersionsResponse = Infer<typeof apiVersionsResponse>;
