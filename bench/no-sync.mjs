// Preloaded by the bench to see what durability costs: syncs that do nothing.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

fs.fdatasync = (_descriptor, done) => setImmediate(done, null);
fs.fsync = (_descriptor, done) => setImmediate(done, null);
syncBuiltinESMExports();
