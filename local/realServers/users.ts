// The numbers of this machine's users and groups.
import { readFileSync } from 'node:fs';

const nobodyId = 65_534;

/** The id of a user; that of `nobody` if the name is unknown. */
export function userId(name: string): number {
  return numberOf('/etc/passwd', name);
}

/** The id of a group; that of `nobody` if the name is unknown. */
export function groupId(name: string): number {
  return numberOf('/etc/group', name);
}

/** The group with that number. */
export function groupName(number: number): string | undefined {
  return entries('/etc/group').find((entry) => entry[2] === `${number}`)?.[0];
}

function numberOf(file: string, name: string): number {
  return Number(entries(file).find(([one]) => one === name)?.[2] ?? nobodyId);
}

function entries(file: string): readonly (readonly string[])[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
}
