import { readFile } from 'node:fs/promises';
import type { BridgeAddress } from '../bridge/httpBridge.ts';
import type { IntakeSettings } from './intakeSettings.ts';
import { readIntakeSettings, type IntakeSettingsAnswer } from './readIntakeSettings.ts';
import { errorCode } from '../errorCode.ts';

/** The settings, or everything that is wrong with them. */
export async function readSettingsFile(path: string): Promise<IntakeSettingsAnswer> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const detail = `The settings file ${path} can't be read (${errorCode(error)}); check its path and its rights.`;
    return { kind: 'problems', problems: [{ setting: 'settings', detail }] };
  }
  return readIntakeSettings(text.replace(/^\ufeff/, ''));
}

/** The bridge's address with what is in files of their own. Throws an error whose message is a sentence. */
export async function readAddress({ bridge, name }: IntakeSettings): Promise<BridgeAddress> {
  const { url, keyFile, caFile, proxy } = bridge;
  const key = (await read('bridge.keyFile', keyFile)).trim();
  if (!/^[\x21-\x7e]{16,500}$/.test(key)) {
    throw new Error(
      `bridge.keyFile: ${keyFile} holds no key; copy one of the bridge's keys there, in one line.`,
    );
  }
  return {
    url,
    key,
    name,
    ...(caFile === undefined ? {} : { ca: await read('bridge.caFile', caFile) }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

async function read(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(
      `${setting}: ${path} can't be read (${errorCode(error)}); check its path and its rights.`,
      {
        cause: error,
      },
    );
  }
}
