/** Writes the generated pages of `docs/`: `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { CONFIG_KEYS } from './config/config-keys.ts';
import { describeConfig } from './config/describe-config.ts';

writeFileSync(new URL('../docs/config.md', import.meta.url), describeConfig(CONFIG_KEYS));
