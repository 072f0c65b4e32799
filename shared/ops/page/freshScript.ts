// The only script of the page: it says how old the state is, and loads it again while somebody only looks at it. Without it
// everything is there and works.
import { createHash } from 'node:crypto';
import type { WebAnswer } from '../../web/http.ts';

const script = `(() => {
  const marks = document.querySelectorAll('[data-since]');
  if (marks.length === 0) return;
  let touchedAt = Date.now();
  for (const name of ['keydown', 'pointerdown', 'input'])
    addEventListener(name, () => { touchedAt = Date.now(); }, { passive: true });
  const words = (ms) => {
    const minutes = Math.max(0, Math.round(ms / 60000));
    if (minutes < 1) return 'just now';
    return minutes < 120 ? minutes + ' min ago' : Math.round(minutes / 60) + ' h ago';
  };
  const renew = () => {
    for (const mark of marks) mark.textContent = words(Date.now() - Date.parse(mark.dataset.since));
  };
  setInterval(renew, 10000);
  setInterval(() => {
    const quiet = Date.now() - touchedAt > 30000;
    if (quiet && document.visibilityState === 'visible') location.reload();
  }, 60000);
  renew();
})();
`;

/** The name changes with the text, so that it can be cached for good. */
export const freshScriptName = `fresh-${createHash('sha256').update(script).digest('hex').slice(0, 12)}.js`;

/** It reveals nothing, so nobody need be signed in. */
export const freshScriptAnswer: WebAnswer = {
  status: 200,
  headers: {
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
  },
  body: script,
};
