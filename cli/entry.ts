// The first file that runs. It is written so that any Node can parse it: a too old one gets one clear line.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 22)) {
  console.error(`tailrace: Node ${process.versions.node} is too old: 22.22 or newer is needed.`);
  process.exit(2);
}
const { main } = await import('./main.ts');
// Timers of the product never keep a process alive by themselves; an unfinished command does.
const keepAlive = setInterval(() => undefined, 2 ** 30);
process.exitCode = await main(process.argv.slice(2));
clearInterval(keepAlive);
// At once when nothing is left to do: while Node takes itself apart, signals would have their own way again and end the process with their code.
process.once('beforeExit', () => process.exit());
