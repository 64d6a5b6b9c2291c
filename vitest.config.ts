import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Integration tests start their own PostgreSQL and worker processes: on two cores more than two files at a time
    // only slow each other down.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } }, // a guard: each wait has its own signal
    projects: [
      // Alone with `npm run test:unit`: these need no PostgreSQL. Files share a process and its imports: one process
      // per file would be a third more work.
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false } },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/{integration,browser}/**/*.test.ts'],
          globalSetup: 'test/global-setup.ts',
        },
      },
    ],
  },
})
