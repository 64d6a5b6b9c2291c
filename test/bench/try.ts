import { measureFloor } from './floor.ts'
import { measureWorker } from './throughput.ts'
const n = Number(process.env.N ?? 20000)
for (let i = 0; i < Number(process.env.R ?? 1); i++) {
if (!process.env.NOFLOOR) console.log('floor', Math.round(await measureFloor(n)))
console.log('ours', Math.round(await measureWorker({ items: n, backlog: n, history: 0 })))
}
