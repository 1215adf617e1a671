// The story of a user, told by the newest kubectl. RECORD=1 writes it again.
// Runs beside others: its cluster is its own, and what kubectl prints tells of nothing else on the machine.
import { after, test } from 'node:test';
import { newestKubectl } from './kubectl.ts';
import { newLab } from './lab.ts';
import { tellStory } from './story.ts';

const lab = newLab('story');

after(() => lab.dispose());

test('a user of the newest kubectl', async t => {
  const newest = await newestKubectl().catch((error: Error) => error);
  if (newest instanceof Error) t.skip(newest.message);
  else await tellStory(lab, newest);
});
