/** `troupe cluster init`: makes the streams and buckets of a namespace what the options ask for. */
import { type InitStep, initialiseNamespace, type NatsDurability } from '@troupe/core/nats'
import { Command, InvalidArgumentError, Option } from 'commander'
import { readConfig } from '../config.ts'
import { wholeNumber } from '../options.ts'
import { API_VERSION, print, table } from '../output.ts'
import { Problem } from '../problem.ts'

interface InitCommandOptions {
  readonly nats?: string
  readonly namespace: string
  readonly durability: NatsDurability
  readonly group: { readonly [group: string]: number }
  readonly dryRun?: boolean
  readonly json?: boolean
}

export function clusterCommand(): Command {
  const cluster = new Command('cluster').description('what a namespace needs on its servers')
  cluster
    .command('init')
    .description('create or change its streams and buckets; run it again after a change of options')
    .option('--nats <urls>', 'NATS servers, separated by commas (NATS_URL, else nats://127.0.0.1:4222)')
    .option('--namespace <name>', 'namespace', 'default')
    .addOption(
      new Option(
        '--durability <tier>',
        'r3 keeps three replicas; whether writes are synced is a setting of the servers',
      )
        .choices(['r1', 'r3'])
        .default('r1'),
    )
    .option('--group <name=shards>', 'a group and its shards, for ever; may be repeated (main=256)', group, {})
    .option('--dry-run', 'say what would be done')
    .option('--json', 'one JSON object on stdout')
    .action(init)
  return cluster
}

async function init({ nats, namespace, durability, group: groups, dryRun = false, json }: InitCommandOptions) {
  const servers = nats ?? readConfig().natsUrl
  const asked = Object.keys(groups).length > 0 && { groups }
  const steps = await initialiseNamespace({ ...(servers && { servers }), namespace, durability, ...asked, dryRun })
  const refused = steps.filter(({ action }) => action === 'refuse')
  const done = !dryRun && refused.length === 0
  if (json) print(JSON.stringify({ apiVersion: API_VERSION, kind: 'ClusterInit', namespace, done, items: steps }))
  else for (const line of table(['ACTION', 'WHAT', 'DETAIL'], steps.map(row))) print(line)
  if (refused.length > 0) throw refusal(refused)
  if (!done) process.stderr.write('nothing was changed: this was a dry run\n')
}

const row = ({ action, what, detail }: InitStep): string[] => [action, what, detail]

function refusal(refused: readonly InitStep[]): Problem {
  const what = refused.map(({ what: of, detail }) => `${of}: ${detail}`).join('; ')
  const fix = refused.map((step) => step.fix ?? '').join('; ')
  return new Problem({ code: 'InitRefused', exit: 'refused', what: `nothing was changed; ${what}`, fix })
}

function group(text: string, before: { readonly [group: string]: number }): { readonly [group: string]: number } {
  const [name = '', shards = '', ...rest] = text.split('=')
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name) || rest.length > 0) {
    throw new InvalidArgumentError('it must look like main=256.')
  }
  return { ...before, [name]: wholeNumber(shards) }
}
