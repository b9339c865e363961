// Stands in for pipelines/progress.ts in a bundle of the bench (durability.ts): nothing of a partition is ever left to be recorded, so that decisions write no ledger. Good
// for nothing but to see what the ledger costs.
import { PartitionProgress as Usual } from '../pipelines/progress.ts';

export class PartitionProgress extends Usual {
  override get hasUnrecorded(): boolean {
    return false;
  }
}
