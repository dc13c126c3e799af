/**
 * Runs the pages' Connection in Node, without what is newer than Chromium 103 (OBS 28 to 30). Arguments: the module's address and
 * the options of Connection. Each line of the input is a call, [method, ...arguments], or ["dispatch", type of an event of the
 * window]; each line of the output is an event, [type, detail].
 */

import { createInterface } from 'node:readline';

const NEWER = [
  [AbortSignal, 'any'],
  [Array, 'fromAsync'],
  [Array.prototype, 'toReversed', 'toSorted', 'toSpliced', 'with'],
  [Map, 'groupBy'],
  [Object, 'groupBy'],
  [Promise, 'try', 'withResolvers'],
  [Set.prototype, 'difference', 'intersection', 'isSubsetOf', 'union'],
  [URL, 'canParse', 'parse'],
];
await fetch('data:,').then(() => WebSocket); // Node's own modules may use them
for (const [owner, ...names] of NEWER) for (const name of names) delete owner[name];

const page = new EventTarget();
globalThis.addEventListener = page.addEventListener.bind(page);
globalThis.removeEventListener = page.removeEventListener.bind(page);

const [module, options] = process.argv.slice(2);
const { Connection } = await import(module);
const connection = new Connection(JSON.parse(options));
const TYPES = ['state', 'refused', 'welcome', 'entries', 'lost', 'identity', 'signedout', 'accepted', 'rejected'];
for (const type of TYPES) {
  connection.addEventListener(type, ({ detail }) => process.stdout.write(`${JSON.stringify([type, detail])}\n`));
}
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [method, ...values] = JSON.parse(line);
    if (method === 'dispatch') page.dispatchEvent(new Event(values[0]));
    else connection[method](...values);
  })
  .on('close', () => process.exit());
connection.start();
