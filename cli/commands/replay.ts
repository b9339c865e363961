// `tailrace replay TOPIC --to SINK`: a bounded job in the calling process. Stopped, even with -9, and started again it goes on where it was.
import { type Command } from 'commander';
