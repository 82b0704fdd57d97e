/*
 * The yardstick: the same calls through libvirt's own C library, one after the other.
 * Usage: client SOCKET URI CALL COUNT, prints the seconds that COUNT calls took.
 */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int call(virConnectPtr connection, virDomainPtr domain, const char *name) {
  if (strcmp(name, "version") == 0) {
    unsigned long version;
    return virConnectGetLibVersion(connection, &version);
  }
  if (strcmp(name, "state") == 0) {
    int state, reason;
    return virDomainGetState(domain, &state, &reason, 0);
  }
  if (strcmp(name, "xml") == 0) {
    char *xml = virDomainGetXMLDesc(domain, 0);
    if (xml == NULL) return -1;
    free(xml);
    return 0;
  }
  if (strcmp(name, "stats") == 0) {
    virDomainStatsRecordPtr *records = NULL;
    int count = virConnectGetAllDomainStats(connection, 0, &records, 0);
    if (count >= 0) virDomainStatsRecordListFree(records);
    return count;
  }
  return -1;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  char uri[1024];
  snprintf(uri, sizeof uri, "%s?socket=%s", argv[2], argv[1]);
  virConnectPtr connection = virConnectOpen(uri);
  if (connection == NULL) return 1;
  virDomainPtr *domains = NULL;
  if (virConnectListAllDomains(connection, &domains, 0) < 1) return 1;
  long count = atol(argv[4]);
  for (int i = 0; i < 100; i++)
    if (call(connection, domains[0], argv[3]) < 0) return 1;
  double start = now();
  for (long i = 0; i < count; i++)
    if (call(connection, domains[0], argv[3]) < 0) return 1;
  printf("%f\n", now() - start);
  virConnectClose(connection);
  return 0;
}
