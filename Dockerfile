# The worker runs its TypeScript as it stands: no build step. Node 24 comes with the dependencies' own package too; here it is the image's.
FROM node:24-slim
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY worker/patches worker/patches
RUN npm ci --omit=dev
COPY worker worker
COPY sql sql
COPY test/shop test/shop
USER node
