// The settings as the program understood them. What is a secret is not even read here.
import { html } from 'hono/html';
import type { Html } from '../../web/page.ts';

/** Names and values to show; values are ready for people. */
export type ShownSettings = readonly (readonly [name: string, value: string])[];

export const settingsPageView = (settings: ShownSettings): Html =>
  html`<section>
    <p class="muted">
      Each mailbox has its own on its page. Secrets are never shown; docs/settings.md explains each setting.
    </p>
    <dl>
      ${settings.map(
        ([name, value]) =>
          html`<dt>${name}</dt>
            <dd><bdi>${value}</bdi></dd>`,
      )}
    </dl>
  </section>`;
