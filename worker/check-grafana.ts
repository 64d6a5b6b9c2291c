import { runCommand } from './command.ts'
import { checkGrafanaSecrets } from './config.ts'

/** Ends with a sentence and exit code 1 if Grafana would start with unsafe secrets; docker-compose.yml waits for it. */
await runCommand(async () => checkGrafanaSecrets(process.env))
