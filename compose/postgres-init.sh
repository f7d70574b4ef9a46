#!/bin/sh
# Runs once, when the Postgres volume is empty: one database and one owner for each program, none of them a superuser.
set -eu

# psql reads the passwords from its environment (\getenv), so they appear in no process list.
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'END'
\getenv recsys_password RECSYS_DB_PASSWORD
\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv mlflow_password MLFLOW_DB_PASSWORD
\getenv exporter_password EXPORTER_DB_PASSWORD
create role recsys login password :'recsys_password';
create role airflow login password :'airflow_password';
create role mlflow login password :'mlflow_password';
create role exporter login password :'exporter_password' in role pg_monitor;
create database recsys owner recsys;
create database airflow owner airflow;
create database mlflow owner mlflow;
revoke connect on database recsys, airflow, mlflow from public;
grant connect on database recsys to exporter;
\connect recsys
create extension vector;
END
