import { runCommand } from './command.ts'
import { checkGrafanaSecrets } from './config.ts'

/**
 * Ends with a sentence and exit code 1 where Grafana would start with secrets that are fit for nobody;
 * docker-compose.yml waits for it.
 */
await runCommand(async () => checkGrafanaSecrets(process.env))
