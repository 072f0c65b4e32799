import { app } from '@azure/functions';
import { stopBridge } from '../shared/loadBridge.ts';

// The host's order at a stop: its listeners stop, what runs is awaited for ten seconds, then this hook has five.
app.hook.appTerminate(stopBridge);
