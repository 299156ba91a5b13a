# Runs the commands of a file with one client against one server, in a network of its own, and
# prints each with its output, errors and exit status.
# usage: run.py DIR SERVER CLIENT COMMANDS; SERVER and CLIENT are "real", or the path of gaol's client
import os, re, subprocess, sys, tempfile

dir, server, client, commands = sys.argv[1:]
conf = os.path.join(dir, 'conf')
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
if 'real' in (server, client):
    sys.path.insert(0, '/usr/lib/python3/dist-packages')
    from fail2ban.client.fail2banclient import exec_command_line

def fork(args, out, err):
    "the real client, without starting Python for each command"
    pid = os.fork()
    if pid == 0:
        os.dup2(out.fileno(), 1), os.dup2(err.fileno(), 2)
        status = 254
        try:
            exec_command_line(args)
            status = 0
        except SystemExit as e:
            status = e.code if isinstance(e.code, int) else (0 if e.code is None else 1)
        except BaseException:
            pass
        for f in (sys.stdout, sys.stderr):
            try:
                f.flush()
            except ValueError: # the client closes them
                pass
        os._exit(status & 255)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def call(who, words):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if who == 'real':
            rc = fork(['fail2ban-client', '-c', conf] + words, out, err)
        else:
            rc = subprocess.run([who, '-c', conf] + words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=60).returncode
        out.seek(0), err.seek(0)
        return rc, out.read().decode('utf-8', 'replace'), err.read().decode('utf-8', 'replace')

def start(who, words):
    if who == 'real': # a process of its own: it is the parent of the server
        return subprocess.run(['/usr/bin/fail2ban-client', '-c', conf] + words, check=True)
    return subprocess.run([who, '-c', conf] + words, check=True)

def plain(text):
    text = text.replace(dir, 'DIR')
    text = re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(,\d+)?', 'TIME', text)
    text = re.sub(r'\+ 360\d = ', '+ 3600 = ', text) # prolonged a second later
    return re.sub(r'\[ *\d{2,}\]:', '[PID]:', text)

start(server, ['start'])
try:
    for line in open(commands):
        line = line.rstrip('\n')
        words = [w.replace('DIR', dir) for w in line.split(' ')]
        rc, out, err = call(client, words)
        sys.stdout.write('\0' + line + '\1' + plain(out) + '\1' + plain(err) + '\1' + str(rc))
        sys.stdout.flush()
finally:
    subprocess.run([x for x in (['/usr/bin/fail2ban-client'] if server == 'real' else [server])] + ['-c', conf, 'stop'],
                   stdout=subprocess.DEVNULL)
