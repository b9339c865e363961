// Access rules, of which there are none: whoever a listener lets in may do everything. Requests are answered as by a Kafka without an authorizer.
import { ErrorCode } from '../wire/errors.ts';

export const withoutAuthorizer = {
  errorCode: ErrorCode.SECURITY_DISABLED as number,
  errorMessage: 'No Authorizer is configured on the broker',
};
