// The SMTP intakes on the overview: each with how long ago it reported, and what is wrong.
import { html } from 'hono/html';
import { isDrained, type IntakeState } from '../../intake/intakeStates.ts';
import type { Html } from '../../web/page.ts';
import { time } from './parts.ts';

const silentMs = 5 * 60_000;
const oldSeconds = 10 * 60;
const certificateDays = 14;

/** What a person should know of an intake; empty if all is well. */
function troubles(state: IntakeState, now: number): readonly string[] {
  const { at, isTwin, said } = state;
  const { spool, rejectedCount, certificateDaysLeft, waitingFor } = said;
  return [
    ...(now - at > silentMs && !isDrained(state) ? ['It does not report any more.'] : []),
    ...(spool.oldestAgeSeconds > oldSeconds ? [`Mail waits: ${waitingFor ?? 'no reason is known'}.`] : []),
    ...(spool.damagedCount > 0 ? [`${spool.damagedCount} damaged files.`] : []),
    ...(rejectedCount > 0 ? [`${rejectedCount} refused by the bridge; see intake rejected.`] : []),
    ...(isTwin ? ['Two processes report under this name.'] : []),
    ...(certificateDaysLeft !== undefined && certificateDaysLeft < certificateDays
      ? [`Its certificate ends in ${certificateDaysLeft} days.`]
      : []),
  ];
}

/** Empty while no intake has ever reported. */
export function intakesView(intakes: readonly IntakeState[], now: number): Html | '' {
  if (intakes.length === 0) return '';
  return html`<section>
    <h2>SMTP intakes</h2>
    <table>
      <thead>
        <tr>
          <th>Intake</th>
          <th>State</th>
          <th>Waiting</th>
          <th>Oldest</th>
          <th>Refused</th>
          <th>Certificate</th>
          <th>Version</th>
          <th>Reported</th>
        </tr>
      </thead>
      <tbody>
        ${intakes.map((state) => {
          const { name, caller, at, said } = state;
          const wrong = troubles(state, now);
          const { count, oldestAgeSeconds } = said.spool;
          return html`<tr>
            <td data-label="Intake"><strong>${name}</strong> <span class="muted">key of ${caller}</span></td>
            <td data-label="State">
              ${
                wrong.length === 0
                  ? html`<span class="good">${said.accepting ? 'works' : 'drained'}</span>`
                  : html`<bdi class="clip bad">${wrong.join(' ')}</bdi>`
              }
            </td>
            <td data-label="Waiting" class="number">${count}</td>
            <td data-label="Oldest" class="number">${count === 0 ? '–' : `${oldestAgeSeconds} s`}</td>
            <td data-label="Refused" class="number">${said.rejectedCount}</td>
            <td data-label="Certificate">
              ${said.certificateDaysLeft === undefined ? 'none' : `${said.certificateDaysLeft} days`}
            </td>
            <td data-label="Version"><bdi>${said.version}</bdi></td>
            <td data-label="Reported">${time(at)}</td>
          </tr>`;
        })}
      </tbody>
    </table>
  </section>`;
}
