# a Service changes its type: what the new type needs is claimed, what it does not have is given back
apply
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, clusterIP: 10.96.0.80, ports: [{port: 80}]}
  ---
  apiVersion: v1
  kind: Pod
  metadata: {name: web-0, labels: {app: web}}
  spec: {containers: [{name: web, image: echo}]}
get svc web
slices web
----
NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)
web    ClusterIP   10.96.0.80   <none>        80/TCP
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-0 on n1

patch svc/web
  {"spec": {"type": "NodePort"}}
get svc web
----
NAME   TYPE       CLUSTER-IP   EXTERNAL-IP   PORT(S)
web    NodePort   10.96.0.80   <none>        80:<nodePort of web>/TCP

# no load balancer is here: it waits for its address for ever, as in any cluster without a provider
patch svc/web
  {"spec": {"type": "LoadBalancer"}}
get svc web
----
NAME   TYPE           CLUSTER-IP   EXTERNAL-IP   PORT(S)
web    LoadBalancer   10.96.0.80   <pending>     80:<nodePort of web>/TCP

patch svc/web
  {"spec": {"type": "ClusterIP"}}
get svc web
----
NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)
web    ClusterIP   10.96.0.80   <none>        80/TCP

patch svc/web
  {"spec": {"type": "ExternalName", "externalName": "web.example.com", "clusterIP": null, "clusterIPs": null}}
get svc web
dig CNAME web.default.svc.cluster.local
dig PTR 10.96.0.80
----
NAME   TYPE           CLUSTER-IP   EXTERNAL-IP       PORT(S)
web    ExternalName   <none>       web.example.com   80/TCP
NOERROR
web.default.svc.cluster.local. 5 IN CNAME web.example.com.
NXDOMAIN

# an address is allocated anew
patch svc/web
  {"spec": {"type": "ClusterIP", "externalName": null}}
get svc web
slices web
dig A web.default.svc.cluster.local
----
NAME   TYPE        CLUSTER-IP           EXTERNAL-IP   PORT(S)
web    ClusterIP   <ClusterIP of web>   <none>        80/TCP
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-0 on n1
NOERROR
web.default.svc.cluster.local. 5 IN A <ClusterIP of web>

# but one that has an address keeps it
patch svc/web
  {"spec": {"clusterIP": "10.96.0.99", "clusterIPs": ["10.96.0.99"]}}
----
error: Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.0.99"]: may not change once set

patch svc/web
  {"spec": {"clusterIP": "None", "clusterIPs": ["None"]}}
----
error: Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set
