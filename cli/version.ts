// The version of the product, as the command and the metrics tell it.
export const version = '0.1.0';
