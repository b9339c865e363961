// ApiVersions (key 18): what this broker speaks, derived from the registrations of the handlers.
//
// Versions: 0-4.
// Behaviour
// - A version that is not served gets error 35 in a body of version 0, with the list: the client picks one of it and asks again. The body of
//   such a request cannot be read, so the server asks `unsupportedApiVersions` instead of the handler.
// - Features (KIP-584): transaction.version 2 is finalized, which lets clients use Produce 12 and EndTxn 5 (KIP-890), and group.version 1 (KIP-848).
// - The name and version of the client's software must be of the agreed form (KIP-511), else INVALID_REQUEST.
// Version notes: 1 throttle · 3 flexible, client software (KIP-511), features (KIP-584) · 4 features may begin at level 0 (KIP-1022)
import type { ResponseOf } from '../wire/apis.ts';
import { ErrorCode } from '../wire/errors.ts';
import { apiVersionsResponse } from '../wire/messages/18-api-versions.ts';
import { type BrokerParts, handler } from './handler.ts';

const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

export const apiVersions = handler({
  api: 'ApiVersions',
  versions: [0, 4],
  handle(request, { broker, version }) {
    const { clientSoftwareName, clientSoftwareVersion } = request;
    if (version >= 3 && !(softwareName.test(clientSoftwareName) && softwareName.test(clientSoftwareVersion))) {
      return apiVersionsResponse.create({ errorCode: ErrorCode.INVALID_REQUEST });
    }
    const features = [...broker.features];
    return apiVersionsResponse.create({
      apiKeys: apiKeys(broker),
      // Clients of version 3 cannot read a feature that begins at level 0: they are not told of the range.
      supportedFeatures:
        version < 4 ? [] : features.map(([name, level]) => ({ name, minVersion: 0, maxVersion: level })),
      finalizedFeaturesEpoch: 0,
      finalizedFeatures: features.map(([name, level]) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
    });
  },
});

/** The answer, in a body of version 0, to a version that is not served. */
export function unsupportedApiVersions(broker: BrokerParts): ResponseOf<'ApiVersions'> {
  return apiVersionsResponse.create({ errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys: apiKeys(broker) });
}

function apiKeys(broker: BrokerParts) {
  return broker.advertised.map(({ key, versions: [minVersion, maxVersion] }) => ({
    apiKey: key,
    minVersion,
    maxVersion,
  }));
}
