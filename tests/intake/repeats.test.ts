// A client that lost our 250 sends again; JavaMail with a new Message-ID.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Repeats, repeatWindowMs } from '../../intake/spool/repeats.ts';
import type { Clock } from '../../shared/clock.ts';
import { ForgetfulFiles } from './support/forgetfulFiles.ts';
import { client, mail } from './support/smtpDialog.ts';
import { removeFolders, startIntake, until, type StartedIntake } from './support/startedIntake.ts';
import { TestBridge } from './support/testBridge.ts';

const again = (): string => mail({ Subject: 'INC-7' });

describe('over TCP', () => {
  let bridge: TestBridge;
  let intake: StartedIntake;

  beforeEach(async () => {
    bridge = new TestBridge();
    await bridge.start();
    intake = await startIntake(bridge);
  });

  afterEach(async () => {
    await intake.stop();
    await bridge.stop();
    await removeFolders();
  });

  const spoolIsEmpty = (): boolean =>
    intake.events.filter(({ name }) => name === 'intake.handedOn').length > 0;

  test('a client that went away after the dot and comes back is answered with the first id', async () => {
    const first = await client(intake.port);
    const reply = await first.send({ content: again() });
    first.cut();
    const second = await client(intake.port);
    expect(await second.send({ content: again() })).toBe(reply);
    await second.quit();
    await until(spoolIsEmpty);
    expect(bridge.messages.size).toBe(1);
  });

  test('the 250 of the repeat can be lost as well', async () => {
    const replies = new Set<string>();
    for (let tries = 0; tries < 3; tries += 1) {
      const dialog = await client(intake.port);
      replies.add(await dialog.send({ content: again() }));
      dialog.cut();
    }
    expect(replies.size).toBe(1);
  });

  test('a first connection that is still open, but silent, counts as lost', async () => {
    const first = await client(intake.port);
    const reply = await first.send({ content: again() });
    const second = await client(intake.port);
    expect(await second.send({ content: again() })).toBe(reply);
    first.cut();
    await second.quit();
  });

  test('a client that said anything after the 250 has read it: the same text again is a new mail', async () => {
    const first = await client(intake.port);
    const reply = await first.send({ content: again() });
    await first.quit();
    const second = await client(intake.port);
    const other = await second.send({ content: again() });
    expect(other).toMatch(/^250 /);
    expect(other).not.toBe(reply);
    await second.quit();
    await until(() => bridge.messages.size === 2);
  });

  test('the same Message-ID is the same mail, also if the client read the 250', async () => {
    const content = mail({ 'Message-ID': '<fixed.1@esm>' });
    const first = await client(intake.port);
    const reply = await first.send({ content });
    expect(await first.send({ content })).toBe(reply);
    await until(spoolIsEmpty);
    expect(await first.send({ content })).toBe(reply);
    await first.quit();
    await until(() => bridge.postCount >= 2);
    expect(bridge.messages.size).toBe(1);
  });

  test('what was handed on before a restart is recognised after it', async () => {
    const first = await client(intake.port);
    const reply = await first.send({ content: again() });
    first.cut();
    await until(spoolIsEmpty);
    await intake.stop();
    intake = await startIntake(bridge, { folder: intake.folder });
    const second = await client(intake.port);
    expect(await second.send({ content: again() })).toBe(reply);
    await second.quit();
    expect(bridge.messages.size).toBe(1);
  });
});

describe('the file', () => {
  let now = 1_000_000;
  const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };

  test('holds a silent client from before its entry leaves, though the power fails at once', async () => {
    const files = new ForgetfulFiles();
    await files.makeFolder('/spool');
    const repeats = new Repeats(files, '/spool', clock);
    repeats.remember({ key: 'k', id: 'one', at: now }, { answered: false });
    await repeats.leaving({ key: 'k', id: 'one', at: now });
    files.crash();
    const next = new Repeats(files.afterCrash('nothing', Math.random), '/spool', clock);
    await next.load();
    expect(next.find('k', { answered: false })).toBe('one');
  });

  test('is not written for a client that read its 250', async () => {
    const files = new ForgetfulFiles();
    await files.makeFolder('/spool');
    const repeats = new Repeats(files, '/spool', clock);
    repeats.remember({ key: 'k', id: 'one', at: now }, { answered: true });
    await repeats.leaving({ key: 'k', id: 'one', at: now });
    expect(await files.list('/spool')).toEqual([]);
  });

  test('a repeat after ten minutes is a new mail', async () => {
    const files = new ForgetfulFiles();
    await files.makeFolder('/spool');
    const repeats = new Repeats(files, '/spool', clock);
    repeats.remember({ key: 'k', id: 'one', at: now }, undefined);
    now += repeatWindowMs;
    expect(repeats.find('k', { answered: false })).toBe('one');
    now += 1;
    expect(repeats.find('k', { answered: false })).toBeUndefined();
  });

  test('that is damaged is as good as none', async () => {
    const files = new ForgetfulFiles();
    await files.makeFolder('/spool');
    const file = await files.create('/spool/repeats.json');
    await file.write(Buffer.from('[{"key"'));
    const repeats = new Repeats(files, '/spool', clock);
    await repeats.load();
    expect(repeats.find('k', { answered: false })).toBeUndefined();
  });
});
