// The connector with its stores in memory and the emulator's sample desk, in virtual time.
import type { Random } from '../../shared/clock.ts';
import { EsmConnection } from '../../shared/esm/client/connection.ts';
import { createConnector, type Connector } from '../../shared/esm/connector.ts';
import { esmNumbers, type EsmDependencies } from '../../shared/esm/dependencies.ts';
import type { LogEvent } from '../../shared/telemetry/log.ts';
import { newest, type EsmCard, type EsmValue } from '../../local/emulators/esm/model.ts';
import { openEsm, type EsmEmulator, type EsmOptions } from '../../local/emulators/esm/esm.ts';
import { sampleTemplates, sampleUser } from '../../local/emulators/esm/sampleDesk.ts';
import { directTransport } from '../../local/esmSimulation/directTransport.ts';
import { MemoryContents, MemoryRows } from '../../local/esmSimulation/memoryStore.ts';
import { connectorOf, sampleMapping } from '../../local/esmSimulation/sampleConnector.ts';
import { VirtualTime } from '../../local/esmSimulation/virtualTime.ts';
import { seededRandom } from '../../local/seededRandom.ts';

export interface Desk {
  readonly esm: EsmEmulator;
  readonly clock: VirtualTime;
  readonly contents: MemoryContents;
  readonly connector: Connector;
  readonly events: LogEvent[];
  /** Delivers the text, and whatever is put back of it, until nothing waits; at most `tries` times. */
  settle(queue: 'notices' | 'events', text: string, tries?: number): Promise<void>;
  /** The first card of a template, or the one of that index. */
  values(attribute: string, index?: number): readonly EsmValue[];
  card(index?: number): EsmCard;
}

export function openDesk(options: Partial<EsmOptions> = {}, mapping: unknown = sampleMapping): Desk {
  const clock = new VirtualTime(Date.UTC(2026, 10, 28, 9));
  const random: Random = seededRandom(7);
  const esm = openEsm({ clock, templates: sampleTemplates, users: [sampleUser], ...options });
  const contents = new MemoryContents();
  contents.put('inbound-content/m/raw.eml', 'raw bytes');
  const events: LogEvent[] = [];
  const back: { text: string; at: number }[] = [];
  const dependencies: EsmDependencies = {
    esm: new EsmConnection({
      url: esm.url,
      login: sampleUser.login,
      password: () => Promise.resolve({ kind: 'ok', value: sampleUser.password }),
      transport: directTransport(esm, clock),
      clock,
    }),
    connector: connectorOf(mapping),
    rows: new MemoryRows(),
    contents,
    htmlToText: (html) => html.replace(/<[^>]*>/g, ' '),
    clock,
    random,
    log: (event) => {
      events.push(event);
    },
    numbers: esmNumbers,
  };
  const connector = createConnector({
    ...dependencies,
    putBack: (_queue, text, delayMs) => {
      back.push({ text, at: clock.now() + delayMs });
      return Promise.resolve();
    },
  });
  const handle = {
    notices: (text: string) => connector.deliverToEsm(text),
    events: (text: string) => connector.reportToEsm(text),
  };
  const card = (index = 0): EsmCard => {
    const found = esm.cards.all('incident')[index];
    if (found === undefined) throw new Error(`there is no card ${index}`);
    return found;
  };
  return {
    esm,
    clock,
    contents,
    connector,
    events,
    settle: (queue, text, tries = 40) =>
      clock.run(
        (async () => {
          await handle[queue](text);
          for (let turn = 0; turn < tries && back.length > 0; turn++) {
            const next = back.shift();
            if (next === undefined) return;
            await clock.sleep(next.at - clock.now());
            await handle[queue](next.text);
          }
        })(),
      ),
    values: (attribute, index = 0) => newest(card(index)).data[attribute] ?? [],
    card,
  };
}
