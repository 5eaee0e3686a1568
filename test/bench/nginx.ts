import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../helpers/free-port.js'

/** Writes a configuration for a free port into `folder`. nginx then writes only there. */
export async function nginxConfig(folder: string): Promise<{ path: string; url: string }> {
  const port = await freePort()
  const path = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  // If nginx is started as root, its workers are another user by default, who may not write here.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const text = `${user}
daemon off;
worker_processes auto;
pid ${folder}/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  client_max_body_size 0;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  server {
    listen 127.0.0.1:${port};
    location / { root ${folder}; dav_methods PUT DELETE; }
  }
}
`
  await writeFile(path, text)
  return { path, url: `http://127.0.0.1:${port}/files` }
}
