#!/bin/sh
# Start PgBouncer in a container whose only writable folder is /run/pgbouncer.
set -eu
umask 077
DATABASE_PASSWORD=${DATABASE_PASSWORD:-$(cat "$DATABASE_PASSWORD_FILE")}
printf '"buildappswith" "%s"\n' "$DATABASE_PASSWORD" > /run/pgbouncer/userlist.txt
sed 's|/etc/pgbouncer/userlist.txt|/run/pgbouncer/userlist.txt|' /etc/pgbouncer/pgbouncer.ini > /run/pgbouncer/pgbouncer.ini
exec pgbouncer /run/pgbouncer/pgbouncer.ini
