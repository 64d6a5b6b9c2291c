-- Fragments of SKUs and titles, in any case (worker/read/products.ts). It ships with PostgreSQL, and any owner may create it.
create extension if not exists pg_trgm;
