export { seededRandom } from '../../local/seededRandom.ts';
