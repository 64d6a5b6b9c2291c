import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Integration tests start a PostgreSQL and worker processes of their own: on two cores more than two files at a
    // time only get in each other's way.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } }, // a guard: what is waited for has a signal of its own
    projects: [
      // By itself with `npm run test:unit`: no PostgreSQL is started for these. Files share a process, and what they
      // import: one process a file would be a third more work.
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
