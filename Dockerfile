# The worker runs its TypeScript directly: no build step. Node is the image's, pinned by digest to the version in package.json. What only tests,
# benchmarks and `npm start` need (their own Node and PostgreSQL, for example) is left out.
FROM node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY worker/patches worker/patches
RUN npm ci --omit=dev
COPY worker worker
COPY sql sql
COPY demo/shop demo/shop
USER node
# Half of its memory limit in docker-compose.yml: buffers of bodies and telemetry are not on the heap.
ENV NODE_ENV=production NODE_OPTIONS=--max-old-space-size=1024
CMD ["node", "worker/main.ts"]
