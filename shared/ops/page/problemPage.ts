// A problem as a page: also what is shown while the program can't be assembled, so it needs nothing of it.
import { html } from 'hono/html';
import type { WebAnswer } from '../../web/http.ts';
import { pageAnswer, type Html } from '../../web/page.ts';
import type { Problem } from '../../web/problem.ts';

export const problemView = ({ detail, remedy }: Pick<Problem, 'detail' | 'remedy'>): Html =>
  html`<div role="alert">
    <pre>${detail}</pre>
    <p>${remedy}</p>
  </div>`;

export const problemPage = (problem: Problem): Promise<WebAnswer> =>
  pageAnswer({ status: problem.status, title: problem.title, content: problemView(problem) });
