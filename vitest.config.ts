import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: 'test/global-setup.ts',
    include: ['test/{unit,integration,browser}/**/*.test.ts'],
    // Integration tests start a PostgreSQL and worker processes of their own: on two cores more than two files at a time only get in each other's way.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } }, // a guard: what is waited for has a signal of its own
  },
})
