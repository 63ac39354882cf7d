import sys,time,importlib
from benchmarks import workloads
w=workloads.make(sys.argv[1],float(sys.argv[2]))
m=importlib.import_module("benchmarks.peers."+sys.argv[3])
r=m.prepare(w,1)
out=[]
for _ in range(4):
    c=time.process_time(); s=r().seconds; out.append((round(s/w.share,2), round((time.process_time()-c)/w.share,2)))
print(sys.argv[1:], out)
